package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of CPU times in /proc: Linux shows them in hundredths of a second to every program,
// whatever its own timer does.
const tick = 10 * time.Millisecond

// Usage is the CPU time that a process has used since its start. Both together are exact; where the one ends and the other
// begins is known to 10 ms.
type Usage struct {
	User, System time.Duration
}

// Total is both together.
func (u Usage) Total() time.Duration { return u.User + u.System }

// Sub is what was used since earlier.
func (u Usage) Sub(earlier Usage) Usage {
	return Usage{User: u.User - earlier.User, System: u.System - earlier.System}
}

// CPU reads what process pid has used.
func CPU(pid int) (Usage, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, err
	}
	u, err := parseStat(b)
	if err != nil {
		return Usage{}, err
	}
	total, err := processClock(pid)
	if err != nil {
		return Usage{}, fmt.Errorf("the clock of process %d: %w", pid, err)
	}
	u.System = max(0, total-u.User)
	return u, nil
}

// processClock reads the clock of all the time that a process has used: what clock_getcpuclockid(3) names.
func processClock(pid int) (time.Duration, error) {
	const ofScheduler = 2
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|ofScheduler), &t)
	return time.Duration(t.Nano()), err
}

// parseStat reads utime and stime, fields 14 and 15 of /proc/PID/stat. The name of the command (field 2)
// stands in parentheses and may itself hold spaces and parentheses, so fields are counted behind the last
// one.
func parseStat(b []byte) (Usage, error) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return Usage{}, fmt.Errorf("stat %.40q: no command in parentheses", b)
	}
	fields := bytes.Fields(b[end+1:])
	const user, system = 14 - 3, 15 - 3
	if len(fields) <= system {
		return Usage{}, fmt.Errorf("stat %.40q: %d fields behind the command, want at least %d", b, len(fields), system+1)
	}
	var u Usage
	for _, f := range []struct {
		at  int
		dst *time.Duration
	}{{user, &u.User}, {system, &u.System}} {
		n, err := strconv.ParseUint(string(fields[f.at]), 10, 63)
		if err != nil {
			return Usage{}, fmt.Errorf("stat field %d: %w", f.at+3, err)
		}
		*f.dst = time.Duration(n) * tick
	}
	return u, nil
}

// Resident reads how many bytes of memory process pid holds. Memory that the kernel keeps for its
// sockets is not in it.
func Resident(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	return parseRollup(b)
}

// ResidentNow is Resident in a hurry: the kernel's running count, which may be off by some hundred kilobytes, but is
// read without walking the process's pages.
func ResidentNow(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(b)
	const resident = 2 - 1
	if len(fields) <= resident {
		return 0, fmt.Errorf("statm %.40q: want the resident pages in the second field", b)
	}
	pages, err := strconv.ParseInt(string(fields[resident]), 10, 52)
	return pages * int64(os.Getpagesize()), err
}

// parseRollup reads the line "Rss: 1234 kB" of smaps_rollup.
func parseRollup(b []byte) (int64, error) {
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte("Rss:"))
		if !ok {
			continue
		}
		fields := bytes.Fields(rest)
		if len(fields) != 2 || string(fields[1]) != "kB" {
			return 0, fmt.Errorf("smaps_rollup %q: want a number of kB", line)
		}
		n, err := strconv.ParseInt(string(fields[0]), 10, 52)
		if err != nil {
			return 0, fmt.Errorf("smaps_rollup: %w", err)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("smaps_rollup: no Rss line")
}

// Busy is the CPU time that the whole machine has used since its start, idle time and waiting left out.
func Busy() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(b)
}

// parseBusy adds up the line "cpu user nice system idle iowait irq softirq steal …".
func parseBusy(b []byte) (time.Duration, error) {
	first, _, _ := bytes.Cut(b, []byte("\n"))
	fields := bytes.Fields(first)
	const idle, iowait, irq, softirq = 4, 5, 6, 7
	if len(fields) <= softirq || string(fields[0]) != "cpu" {
		return 0, fmt.Errorf("/proc/stat starts with %.60q: want cpu and its times", first)
	}
	var sum uint64
	for i := 1; i <= softirq; i++ {
		if i == idle || i == iowait {
			continue
		}
		n, err := strconv.ParseUint(string(fields[i]), 10, 63)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat field %d: %w", i, err)
		}
		sum += n
	}
	return time.Duration(sum) * tick, nil
}
