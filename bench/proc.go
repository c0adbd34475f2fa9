package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every Linux we know.
const clockTick = 10 * time.Millisecond

// procStat returns the fields of /proc/PID/stat that follow the name, state first.
func procStat(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	i := bytes.LastIndexByte(b, ')') // the name may hold spaces and brackets
	if i < 0 {
		return nil
	}
	return strings.Fields(string(b[i+1:]))
}

// procCPU is the time of a process and of the children that it has waited for.
func procCPU(pid int) time.Duration {
	f := procStat(pid)
	if len(f) < 15 {
		return 0
	}
	var ticks int64
	for _, s := range f[11:15] { // utime stime cutime cstime
		n, _ := strconv.ParseInt(s, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

// procWritten is the bytes that a process, and the children it has waited for, caused to be written to disk.
func procWritten(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	return fieldOf(b, "write_bytes:") - fieldOf(b, "cancelled_write_bytes:")
}

func procMemory(pid int) (rss, pss int64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	return fieldOf(b, "Rss:") << 10, fieldOf(b, "Pss:") << 10
}

// processTree is root and all its living descendants.
func processTree(root int) []int {
	names, _ := filepath.Glob("/proc/[0-9]*")
	children := map[int][]int{}
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if f := procStat(pid); len(f) > 1 {
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], pid)
		}
	}
	if root <= 0 || procStat(root) == nil {
		return nil
	}
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree
}

// diskWritten is the bytes written so far to the block device that holds dir; 0 if unknown. Other
// processes' writes are in it: compare it with what the relay's own processes caused.
func diskWritten(dir string) int64 {
	dev, ok := deviceOf(dir)
	if !ok {
		return 0
	}
	b, _ := os.ReadFile("/sys/dev/block/" + dev + "/stat")
	f := strings.Fields(string(b))
	if len(f) < 7 {
		return 0
	}
	sectors, _ := strconv.ParseInt(f[6], 10, 64)
	return sectors * 512
}

// diskUse is the bytes that the files under dir occupy, and of them the event log's.
func diskUse(dir string) (all, log int64) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return nil // a file that a running relay has just removed
		}
		n := blocksOf(path) * 512
		all += n
		if strings.HasPrefix(d.Name(), "events.jsonl") {
			log += n
		}
		return nil
	})
	return all, log
}
