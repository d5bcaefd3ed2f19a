// Peers `go channel`, `go net`, `go net/http` and `go timers`. This file has buffered channels between goroutines of a
// runtime with two CPUs. The process may use only these two. The goroutines are not locked to threads: a locked one has
// to change threads whenever it blocks, which Go's manual advises against. See ../README.md for the arguments.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const salt = 0x5bd1e995

type record8 [2]uint32
type record64 [16]uint32

type plan struct {
	pattern                     string
	bytes, capacity, producers  int
	warmup, measure             time.Duration
}

func number(at int) int {
	value, err := strconv.Atoi(os.Args[at])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return value
}

func fail(wrong int) {
	if wrong == 0 {
		return
	}
	fmt.Fprintln(os.Stderr, wrong, "messages were lost, repeated or torn")
	os.Exit(1)
}

func race[R any](p plan, write func(*R, uint32, uint32), check func(*R, []uint32) bool) {
	queue := make(chan R, p.capacity)
	var isEnough atomic.Bool
	var producing sync.WaitGroup
	for part := 0; part < p.producers; part++ {
		producing.Add(1)
		go func(part uint32) {
			defer producing.Done()
			var record R
			for sequence := uint32(0); !isEnough.Load(); {
				for i := 0; i < 4096; i++ {
					write(&record, sequence, part)
					queue <- record
					sequence++
				}
			}
		}(uint32(part))
	}
	go func() { producing.Wait(); close(queue) }()
	expected := make([]uint32, p.producers)
	born := time.Now()
	var start time.Time
	var elapsed time.Duration
	received, wrong, messages := 0, 0, 0
	for record := range queue {
		if !check(&record, expected) {
			wrong++
		}
		received++
		if received&4095 != 0 {
			continue
		}
		now := time.Now()
		if start.IsZero() {
			if now.Sub(born) >= p.warmup {
				start, messages = now, received
			}
		} else if elapsed == 0 && now.Sub(start) >= p.measure {
			elapsed, messages = now.Sub(start), received-messages
			isEnough.Store(true)
		}
	}
	fail(wrong)
	fmt.Printf("{\"rate\":%.0f,\"verified\":true}\n", float64(messages)/elapsed.Seconds())
}

// A channel for each of two readers. The producer sends every message into both, and a reader that is slow holds it
// back.
func broadcast(p plan) {
	copies := [2]chan record8{make(chan record8, p.capacity), make(chan record8, p.capacity)}
	var isEnough atomic.Bool
	go func() {
		for sequence := uint32(0); !isEnough.Load(); {
			for i := 0; i < 4096; i++ {
				copies[0] <- record8{sequence, sequence ^ salt}
				copies[1] <- record8{sequence, sequence ^ salt}
				sequence++
			}
		}
		close(copies[0])
		close(copies[1])
	}()
	// The first reader keeps the time. The second one tells how many messages were right.
	second := make(chan uint32)
	read := func(from chan record8, at func(uint32)) (uint32, int) {
		sequence, wrong := uint32(0), 0
		for record := range from {
			if record[0] != sequence || record[1] != sequence^salt {
				wrong++
			}
			sequence++
			if sequence&4095 == 0 && at != nil {
				at(sequence)
			}
		}
		return sequence, wrong
	}
	go func() {
		count, wrong := read(copies[1], nil)
		fail(wrong)
		second <- count
	}()
	born := time.Now()
	var start time.Time
	var elapsed time.Duration
	messages := uint32(0)
	count, wrong := read(copies[0], func(sequence uint32) {
		now := time.Now()
		if start.IsZero() {
			if now.Sub(born) >= p.warmup {
				start, messages = now, sequence
			}
		} else if elapsed == 0 && now.Sub(start) >= p.measure {
			elapsed, messages = now.Sub(start), sequence-messages
			isEnough.Store(true)
		}
	})
	fail(wrong)
	fail(int(count - <-second))
	fmt.Printf("{\"rate\":%.0f,\"verified\":true}\n", float64(messages)/elapsed.Seconds())
}

// With a pause, the other side has gone to sleep before each question.
func trip(p plan, pause time.Duration) {
	questions, answers := make(chan record8, p.capacity), make(chan record8, p.capacity)
	go func() {
		for asked := range questions {
			answers <- record8{^asked[0], asked[1]}
		}
	}()
	ns := make([]int, 0, 1<<22)
	wrong := 0
	born := time.Now()
	last := time.Duration(0)
	for round := uint32(1); last < p.warmup+p.measure; round++ {
		if pause != 0 {
			time.Sleep(pause)
			last = time.Since(born)
		}
		questions <- record8{round, salt}
		if (<-answers)[0] != ^round {
			wrong++
		}
		at := time.Since(born)
		if last >= p.warmup {
			ns = append(ns, int(at-last))
		}
		last = at
	}
	fail(wrong)
	sort.Ints(ns)
	fmt.Printf("{\"p50\":%d,\"p99\":%d,\"verified\":true}\n", ns[len(ns)/2], ns[len(ns)*99/100])
}

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "echo", "reply", "http":
			serve(os.Args[1])
			return
		case "cost":
			cost(number(2), number(3), number(4), number(5))
			return
		case "expire":
			expire(number(2), number(3))
			return
		case "task":
			task(number(2), number(3))
			return
		}
	}
	if len(os.Args) != 11 {
		fmt.Fprintln(os.Stderr, "usage: queue each|broadcast|round-trip|wake bytes batch capacity producers cpuA cpuB "+
			"warmupMs measureMs; or echo|reply|http; or cost live batch warmupRounds rounds; or expire count aheadMs; "+
			"or task inFlight calls")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(2)
	ms := time.Millisecond
	p := plan{os.Args[2], number(3), number(5), number(6), time.Duration(number(9)) * ms, time.Duration(number(10)) * ms}
	if p.pattern == "round-trip" {
		trip(p, 0)
	} else if p.pattern == "wake" {
		trip(p, 200*time.Microsecond)
	} else if p.pattern == "broadcast" {
		broadcast(p)
	} else if p.bytes == 64 {
		race(p, func(r *record64, sequence, _ uint32) {
			for k := range r {
				r[k] = sequence + uint32(k)
			}
		}, func(r *record64, expected []uint32) bool {
			differences := uint32(0)
			for k := range r {
				differences |= r[k] ^ (expected[0] + uint32(k))
			}
			expected[0]++
			return differences == 0
		})
	} else {
		race(p, func(r *record8, sequence, part uint32) {
			r[0], r[1] = sequence, sequence^salt^part
		}, func(r *record8, expected []uint32) bool {
			part := r[0] ^ r[1] ^ salt
			if int(part) >= len(expected) || r[0] != expected[part] {
				return false
			}
			expected[part]++
			return true
		})
	}
}
