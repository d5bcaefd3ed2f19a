// Peers `go timers` and, by their channels, `task-with-answer`.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// The same numbers as in bench/suites/timers/delays.ts.
type random struct{ state uint64 }

func (r *random) below(bound uint64) uint64 {
	r.state = r.state * 48_271 % 2_147_483_647
	return uint64(float64(r.state) / 2_147_483_647 * float64(bound))
}

const leastMs, spanMs = 60_000, 60_000

// Timers a second while `live` others are due in one to two minutes. They are cancelled in the order of their creation.
func cost(live, batch, warmupRounds, rounds int) {
	var fired atomic.Int64
	run := func() { fired.Add(1) }
	numbers := random{1}
	base := make([]*time.Timer, live)
	for i := range base {
		base[i] = time.AfterFunc(time.Duration(leastMs+numbers.below(spanMs))*time.Millisecond, run)
	}
	numbers = random{2}
	delays, timers := make([]time.Duration, batch), make([]*time.Timer, batch)
	for i := range delays {
		delays[i] = time.Duration(2*leastMs+numbers.below(spanMs)) * time.Millisecond
	}
	var creating, cancelling time.Duration
	cancelled := 0
	for round := -warmupRounds; round < rounds; round++ {
		start := time.Now()
		for i, delay := range delays {
			timers[i] = time.AfterFunc(delay, run)
		}
		middle := time.Now()
		for _, timer := range timers {
			if timer.Stop() {
				cancelled++
			}
		}
		end := time.Now()
		if round >= 0 {
			creating += middle.Sub(start)
			cancelling += end.Sub(middle)
		}
	}
	fail((rounds+warmupRounds)*batch - cancelled)
	fail(int(fired.Load()))
	runtime.KeepAlive(base)
	all := float64(rounds * batch)
	fmt.Printf("{\"createRate\":%.0f,\"cancelRate\":%.0f,\"verified\":true}\n", all/creating.Seconds(),
		all/cancelling.Seconds())
}

// Timers that are due within one millisecond, in another order than they were made: the time from the first deadline
// until all have run.
func expire(count, aheadMs int) {
	var ran, early atomic.Int64
	times := make([]atomic.Int32, count)
	over := make(chan struct{})
	numbers := random{7}
	first := time.Now().Add(time.Duration(aheadMs) * time.Millisecond)
	for i := 0; i < count; i++ {
		i, due := i, first.Add(time.Duration(numbers.below(1_000_000)))
		time.AfterFunc(time.Until(due), func() {
			if time.Now().Before(due) {
				early.Add(1)
			}
			times[i].Add(1)
			if ran.Add(1) == int64(count) {
				close(over)
			}
		})
	}
	if time.Now().After(first) {
		fmt.Fprintln(os.Stderr, "the timers were not made before the first was due")
		os.Exit(1)
	}
	<-over
	elapsed := time.Since(first)
	wrong := int(early.Load())
	for i := range times {
		if times[i].Load() != 1 {
			wrong++
		}
	}
	fail(wrong)
	fmt.Printf("{\"totalMs\":%.3f,\"ran\":%d,\"verified\":true}\n", elapsed.Seconds()*1000, ran.Load())
}

type question struct {
	argument int
	answer   chan int
}

// Goroutines that each ask, await their answer and ask again. One goroutine answers.
func task(inFlight, calls int) {
	runtime.GOMAXPROCS(2)
	questions := make(chan question, inFlight)
	go func() {
		for asked := range questions {
			asked.answer <- asked.argument
		}
	}()
	all := func(calls int) time.Duration {
		var asked, wrong atomic.Int64
		var asking sync.WaitGroup
		start := time.Now()
		for i := 0; i < inFlight; i++ {
			asking.Add(1)
			go func() {
				defer asking.Done()
				answer := make(chan int, 1)
				for {
					argument := int(asked.Add(1))
					if argument > calls {
						return
					}
					questions <- question{argument, answer}
					if <-answer != argument {
						wrong.Add(1)
					}
				}
			}()
		}
		asking.Wait()
		fail(int(wrong.Load()))
		return time.Since(start)
	}
	all(calls / 4)
	fmt.Printf("{\"rate\":%.0f,\"verified\":true}\n", float64(calls)/all(calls).Seconds())
}
