package main

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
)

// SIGTERM under load: what is under way comes to its end, so that nothing is in doubt afterwards.
func TestTerminateUnderLoad(t *testing.T) {
	s := newCrashStory(t, `shutdown.drain = "1m"`)
	for range 3 {
		s.relay.start()
		s.relay.awaitReady()
		s.relay.audit()
		terminate := sync.OnceFunc(func() { s.relay.signal(syscall.SIGTERM) })
		s.at(momentDelivered, 1+s.random.IntN(60), terminate)
		s.load.send(s.relay.addr, 150)
		terminate() // all was sent before
		if code := s.relay.awaitExit(); code != exitOK {
			t.Errorf("exit code %d", code)
		}
		s.relay.reckon("SIGTERM")
		if d := s.ledger.lastStop(); d.untold > 0 {
			t.Errorf("after an end in good order %+v are in doubt", d)
		}
	}
	s.load.refused(t, "421 ")
	s.runDry()
}

// A host that does not answer cannot keep the process for longer than the drain time; its message stays.
func TestTerminateWithoutReply(t *testing.T) {
	s := newCrashStory(t, `shutdown.drain = "200ms"`)
	s.holdOneMessage()
	s.relay.signal(syscall.SIGTERM)
	s.endedWithMessage()
}

// A second SIGTERM does not wait for the drain time.
func TestTerminateTwice(t *testing.T) {
	s := newCrashStory(t, `shutdown.drain = "24h"`)
	s.holdOneMessage()
	s.relay.signal(syscall.SIGTERM)
	<-s.relay.ending
	s.relay.signal(syscall.SIGTERM)
	s.endedWithMessage()
}

// holdOneMessage starts the relay and has it wait for the reply to a message.
func (s *crashStory) holdOneMessage() {
	s.Helper()
	s.relay.start()
	s.relay.awaitReady()
	s.world.holdOn(s.T)
	held := make(chan struct{})
	s.at(momentHeld, 1, func() { close(held) })
	s.load.clean, s.load.to = true, []string{"hold.test"}
	s.load.send(s.relay.addr, 1)
	<-held
}

// endedWithMessage waits for the end, while the host still does not answer, and looks for its message.
func (s *crashStory) endedWithMessage() {
	s.Helper()
	if code := s.relay.awaitExit(); code != exitOK {
		s.Errorf("exit code %d", code)
	}
	if left := s.relay.remains(); len(left.queued) == 0 {
		s.Error("the message without a reply has left the queue")
	}
	s.world.letGo()
	s.relay.reckon("without a reply")
	s.runDry()
}

// SIGHUP under load: each time the configuration leads elsewhere and a log rotation has taken the event
// log away; a configuration with a mistake changes nothing. No mail suffers.
func TestReloadUnderLoad(t *testing.T) {
	s := newCrashStory(t, "")
	hosts := []*crashHost{s.world.hosts["take.test"], s.world.startHost(t, "take.test")}
	s.load.clean = true
	s.relay.start()
	s.relay.awaitReady()
	s.relay.audit() // it serves, and so it hears signals
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		s.load.send(s.relay.addr, 400)
	}()
	reloads := 0
	for loading := true; loading; reloads++ {
		host := hosts[(reloads+1)%2]
		s.reload("configuration read again", func() {
			if err := os.Rename(s.relay.events, fmt.Sprint(s.relay.events, ".moved-", reloads)); err != nil {
				t.Fatal(err)
			}
			s.relay.routes["take.test"] = host.socket.Addr().String()
			s.relay.writeConfig()
		})
		before := host.taken.Load()
		s.reload("configuration not changed", func() {
			if err := os.WriteFile(s.relay.configFile(), []byte("hostnam = \"x\"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		})
		eventually(t, "mail goes where the new route says", func() bool {
			select {
			case <-sent:
				loading = false
				return true
			default:
				return host.taken.Load() > before
			}
		})
	}
	<-sent
	s.load.refused(t, "no message may be turned away")
	s.relay.writeConfig()
	s.relay.drain()
	t.Logf("%d reloads", reloads)
	for i, h := range hosts {
		if h.taken.Load() == 0 {
			t.Errorf("host %d got no mail", i)
		}
	}
}

// reload changes the configuration, sends SIGHUP and waits for the words of the relay.
func (s *crashStory) reload(words string, change func()) {
	s.Helper()
	change()
	before := s.relay.count(words)
	s.relay.signal(syscall.SIGHUP)
	eventually(s.T, words, func() bool { return s.relay.count(words) > before })
}
