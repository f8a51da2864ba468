package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpuTime is how long cores have computed so far: those of the whole machine, and
// for this process and its workers that have ended.
type cpuTime struct {
	at        time.Time
	all, ours time.Duration
}

// clockTick is the unit of /proc/stat (USER_HZ, the same on all Linux systems).
const clockTick = 10 * time.Millisecond

// readCPUTime fails where the system does not say.
func readCPUTime() (t cpuTime, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t, err
	}
	t.at = time.Now()
	if t.all, err = parseStat(string(stat)); err != nil {
		return t, err
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if err := syscall.Getrusage(who, &usage); err != nil {
			return t, fmt.Errorf("getrusage: %w", err)
		}
		t.ours += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	return t, nil
}

// parseStat adds up the first line of /proc/stat, less what stands for idling. What a
// virtual machine's host took away counts as well.
func parseStat(stat string) (time.Duration, error) {
	const user, idle, wait, steal = 1, 4, 5, 8
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) <= wait || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat does not begin with the times of all cores")
	}
	var ticks int64
	for i := user; i < len(fields) && i <= steal; i++ {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %q is not a number", fields[i])
		}
		if i != idle && i != wait {
			ticks += n
		}
	}
	return time.Duration(ticks) * clockTick, nil
}

// othersSince is how many cores other programs kept busy meanwhile; 0 where that is
// not known.
func (t cpuTime) othersSince(before cpuTime) float64 {
	wall := t.at.Sub(before.at)
	if before.at.IsZero() || wall <= 0 {
		return 0
	}
	others := (t.all - before.all) - (t.ours - before.ours)
	return max(0, others.Seconds()/wall.Seconds())
}
