package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const opendkimProgram = "/usr/sbin/opendkim"

// opendkim signs for Postfix, as a milter.
type opendkim struct {
	addr   string
	cmd    *exec.Cmd
	exited chan struct{}
}

// opendkims are as many as there are keys: one opendkim signs with one algorithm.
type opendkims []*opendkim

// startOpenDKIMs starts them in Postfix's group, whose figures they are part of.
func startOpenDKIMs(ctx context.Context, set Setting, g *Group) (all opendkims, err error) {
	for _, k := range set.Signing {
		o, err := startOpenDKIM(ctx, set.Dir, k, g)
		if err != nil {
			all.stop()
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

func (all opendkims) stop() {
	for _, o := range all {
		o.stop()
	}
}

// settings has Postfix ask the milters, and refuse mail when one does not answer.
func (all opendkims) settings() string {
	if len(all) == 0 {
		return ""
	}
	s := "smtpd_milters ="
	for _, o := range all {
		s += " inet:" + o.addr
	}
	return s + "\nmilter_default_action = tempfail\n"
}

func startOpenDKIM(ctx context.Context, dir string, key SigningKey, g *Group) (*opendkim, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, key.Selector+".conf")
	if err := os.WriteFile(conf, []byte(opendkimConfig(key, port)), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, key.Selector+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	o := &opendkim{addr: loopback(port), exited: make(chan struct{})}
	o.cmd = exec.Command(opendkimProgram, "-f", "-x", conf)
	o.cmd.Stdout, o.cmd.Stderr = log, log
	o.cmd.SysProcAttr = &syscall.SysProcAttr{}
	g.Attach(o.cmd.SysProcAttr)
	if err := o.cmd.Start(); err != nil {
		return nil, err
	}
	g.AddRoot(o.cmd.Process.Pid)
	go func() {
		_ = o.cmd.Wait()
		close(o.exited)
	}()
	if err := waitListening(ctx, o.addr, o.exited); err != nil {
		o.stop()
		return nil, fmt.Errorf("opendkim: %w: %s", err, tail(log.Name(), 2000))
	}
	return o, nil
}

func (o *opendkim) stop() {
	_ = o.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-o.exited:
	case <-time.After(10 * time.Second):
		_ = o.cmd.Process.Kill()
		<-o.exited
	}
}

// opendkimConfig has it sign as posthaste does: relaxed, From oversigned.
func opendkimConfig(key SigningKey, port int) string {
	return fmt.Sprintf(`Mode s
Socket inet:%d@127.0.0.1
Canonicalization relaxed/relaxed
SignatureAlgorithm %s-sha256
Domain %s
Selector %s
KeyFile %s
OversignHeaders From
InternalHosts 127.0.0.0/8
RequireSafeKeys no
Syslog no
`, port, key.Algorithm, key.Domain, key.Selector, key.File)
}
