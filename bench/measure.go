package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Usage is what a group of processes has used since it began.
type Usage struct {
	CPU     time.Duration // user and system
	Written int64         // bytes sent towards the disk
	RSS     int64         // resident now, bytes; counts shared pages once for each process
	PSS     int64         // resident now, shared pages divided among their users
	Procs   int
}

// Group is a relay's processes. A relay like Postfix is a master and children that come and go; their CPU
// time must not go with them. Where the system lets us, the processes run in a control group of
// their own, which counts all of them, also those that have ended or were adopted by init. Elsewhere the tree is
// walked: a parent's figures hold those of the children that it has waited for.
type Group struct {
	root   int    // process id
	more   []int  // roots of further trees
	cgroup string // folder of the control group; "" without one
	dir    *os.File
}

// NewGroup makes a control group if it may, and an empty group otherwise.
func NewGroup() *Group {
	g := &Group{}
	parent, err := ownCgroup()
	if err != nil {
		return g
	}
	path := filepath.Join(parent, fmt.Sprintf("posthaste-bench-%d-%d", os.Getpid(), time.Now().UnixNano()))
	if os.Mkdir(path, 0o755) != nil {
		return g
	}
	dir, err := os.Open(path)
	if err != nil {
		_ = os.Remove(path)
		return g
	}
	g.cgroup, g.dir = path, dir
	return g
}

// SetRoot names the process at the top of the tree.
func (g *Group) SetRoot(pid int) { g.root = pid }

// AddRoot names a process that belongs to the relay beside the tree.
func (g *Group) AddRoot(pid int) { g.more = append(g.more, pid) }

// Close removes the control group. Processes of it that outlived their parent get a moment and are then killed.
func (g *Group) Close() {
	if g.dir == nil {
		return
	}
	g.dir.Close()
	const tries, pause = 200, 20 * time.Millisecond
	for i := range tries {
		if os.Remove(g.cgroup) == nil {
			return
		}
		if i > tries/2 {
			for _, pid := range g.pids() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(pause)
	}
}

// Exact tells whether processes that were not waited for are counted too.
func (g *Group) Exact() bool { return g.cgroup != "" }

// Usage reads the figures now. memory tells whether to look at memory too, which costs more.
func (g *Group) Usage(memory bool) (Usage, error) {
	var u Usage
	if g.cgroup != "" {
		cpu, err := cgroupCPU(g.cgroup)
		if err != nil {
			return u, err
		}
		u.CPU = cpu
	}
	pids := g.pids()
	if len(pids) == 0 && g.cgroup == "" {
		return u, errors.New("measure: no processes")
	}
	for _, pid := range pids {
		if g.cgroup == "" {
			u.CPU += procCPU(pid)
		}
		u.Written += procWritten(pid)
		if memory {
			rss, pss := procMemory(pid)
			u.RSS, u.PSS = u.RSS+rss, u.PSS+pss
		}
	}
	u.Procs = len(pids)
	return u, nil
}

// PeakRSS is the most that the root process itself ever had resident, from the kernel's own mark; 0 if unknown.
func (g *Group) PeakRSS() int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.root))
	return fieldOf(b, "VmHWM:") << 10
}

func (g *Group) pids() []int {
	if g.cgroup != "" {
		b, _ := os.ReadFile(filepath.Join(g.cgroup, "cgroup.procs"))
		var pids []int
		for f := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	pids := processTree(g.root)
	for _, pid := range g.more {
		pids = append(pids, processTree(pid)...)
	}
	return pids
}

// ownCgroup is the folder of this process's version 2 control group.
func ownCgroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	mount, path := "", ""
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && strings.Contains(line, " - cgroup2 ") {
			mount = f[4]
		}
	}
	for line := range strings.Lines(string(own)) {
		if p, ok := strings.CutPrefix(line, "0::"); ok {
			path = strings.TrimSpace(p)
		}
	}
	if mount == "" || path == "" {
		return "", errors.New("measure: no version 2 control groups on " + runtime.GOOS)
	}
	return filepath.Join(mount, path), nil
}

func cgroupCPU(dir string) (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
	if err != nil {
		return 0, fmt.Errorf("measure: %w", err)
	}
	return time.Duration(fieldOf(b, "usage_usec")) * time.Microsecond, nil
}

// fieldOf finds the number behind a name at the start of a line.
func fieldOf(b []byte, name string) int64 {
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			if f := bytes.Fields(rest); len(f) > 0 {
				n, _ := strconv.ParseInt(string(f[0]), 10, 64)
				return n
			}
		}
	}
	return 0
}

// Peak is the greatest usage seen while watching.
type Peak struct {
	mu       sync.Mutex
	RSS, PSS int64
}

func (p *Peak) note(u Usage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.RSS, p.PSS = max(p.RSS, u.RSS), max(p.PSS, u.PSS)
}
