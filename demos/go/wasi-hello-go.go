// An ordinary Go program: goroutines, channels, a timer, a file, the environment. Its manifest lists its
// grants; the Go runtime itself needs the clocks and random bytes.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"
)

// fibonacci is a computation that takes each goroutine a while.
func fibonacci(n int) int {
	if n < 2 {
		return n
	}
	return fibonacci(n-1) + fibonacci(n-2)
}

// compute runs one goroutine for each number and collects the results.
func compute(numbers ...int) []int {
	results := make(chan int)
	var group sync.WaitGroup
	for _, n := range numbers {
		group.Add(1)
		go func() {
			defer group.Done()
			results <- fibonacci(n)
		}()
	}
	go func() {
		group.Wait()
		close(results)
	}()
	var all []int
	for result := range results {
		all = append(all, result)
	}
	sort.Ints(all)
	return all
}

// wait lets a timer expire while a goroutine counts ticks, and returns whether the clock agrees.
func wait(nap time.Duration) (ticks int, enough bool) {
	begin := time.Now()
	ticker := time.NewTicker(nap / 5)
	defer ticker.Stop()
	over := time.After(nap)
	for {
		select {
		case <-ticker.C:
			ticks++
		case <-over:
			return ticks, time.Since(begin) >= nap
		}
	}
}

// keep writes a file, reads it back and lists its directory.
func keep(folder string) error {
	file := filepath.Join(folder, "greeting.txt")
	if err := os.WriteFile(file, []byte("kept by Go\n"), 0o644); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	fmt.Printf("file: %s", text)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		fmt.Println("entry:", entry.Name())
	}
	return nil
}

func main() {
	fmt.Println("Hello from Go on capOS,", os.Getenv("GREETED"))
	fmt.Println("goroutines:", compute(20, 15, 10, 5))
	ticks, enough := wait(50 * time.Millisecond)
	fmt.Println("timer:", ticks > 0, enough)
	if err := keep("/data"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, err := os.Stat("/etc")
	fmt.Println("elsewhere:", err)
}
