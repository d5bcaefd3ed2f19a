// Peers `go net` and `go net/http`: a goroutine for each connection. Each prints a line of JSON with its port, and ends
// when its stdin ends.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

const messageBytes = 64

func serve(work string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if work == "http" {
		http.Serve(listener, http.HandlerFunc(func(to http.ResponseWriter, _ *http.Request) {
			to.Header().Set("content-type", "text/plain; charset=utf-8")
			io.WriteString(to, "reactor 0\n")
		}))
		return
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if work == "echo" {
			go echo(connection)
		} else {
			go reply(connection)
		}
	}
}

func echo(connection net.Conn) {
	defer connection.Close()
	bytes := make([]byte, 1<<16)
	for {
		count, err := connection.Read(bytes)
		if err != nil {
			return
		}
		if _, err = connection.Write(bytes[:count]); err != nil {
			return
		}
	}
}

// Answers each message by a write of its own into a buffer, which is flushed when no complete message is left to read.
func reply(connection net.Conn) {
	defer connection.Close()
	from, to := bufio.NewReaderSize(connection, 1<<16), bufio.NewWriterSize(connection, 1<<16)
	message := make([]byte, messageBytes)
	for {
		if _, err := io.ReadFull(from, message); err != nil {
			return
		}
		to.Write(message)
		if from.Buffered() < messageBytes && to.Flush() != nil {
			return
		}
	}
}
