package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// These stories run the real program on a real disk and end it in every way a machine can, then ask the ledger
// (crash_ledger_test.go) whether a message was lost, altered, invented, or sent twice without
// need. crash_world_test.go is the internet around it, crash_load_test.go the clients,
// crash_relay_test.go the process with its folder.
//
//	POSTHASTE_CRASH_SEED    repeats the choices of a run, though not the machine's timing
//	POSTHASTE_CRASH_ROUNDS  is how often TestCrash kills
//	POSTHASTE_CRASH_BINARY  is a built posthaste to run in place of the test's own
//
// Many runs in a row: go test ./cmd/posthaste -run TestCrash -count 100

// crashStory is the set-up that the stories begin with.
type crashStory struct {
	*testing.T
	random *rand.Rand
	ledger *ledger
	world  *crashWorld
	load   *crashLoad
	relay  *crashRelay
}

func newCrashStory(t *testing.T, config string) *crashStory {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("POSTHASTE_CRASH_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("POSTHASTE_CRASH_SEED=%d", seed)
	s := &crashStory{T: t, random: rand.New(rand.NewPCG(seed, 0)), ledger: newLedger()}
	t.Cleanup(func() { s.ledger.verdict(t) })
	s.world = startCrashWorld(t, seed, s.ledger)
	s.relay = newCrashRelay(t, s.world, config)
	s.load = &crashLoad{ledger: s.ledger, seed: seed, moment: &s.world.moment}
	return s
}

// at has f called at the n-th time that m happens, in the middle of it.
func (s *crashStory) at(m moment, n int, f func()) {
	var count atomic.Int64
	watch := func(now moment) {
		if now == m && count.Add(1) == int64(n) {
			f()
		}
	}
	s.world.moment.watch.Store(&watch)
}

// The process is killed at a random moment of each kind, under load, again and again.
func TestCrash(t *testing.T) {
	s := newCrashStory(t, "")
	kinds := []moment{
		momentDot, momentAccepted, momentTaken, momentDelivered, momentDeferred, momentRefused, momentBounce, momentStarting,
	}
	rounds := crashRounds(t, len(kinds))
	start := time.Now()
	var startUp time.Duration // of the last life that came so far
	for round := range rounds {
		if round%len(kinds) == 0 {
			s.random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		}
		kind := kinds[round%len(kinds)]
		how := fmt.Sprintf("round %d, %s", round, kind)
		if kind == momentStarting {
			s.relay.start()
			time.Sleep(time.Duration(s.random.Int64N(int64(startUp) + int64(50*time.Millisecond))))
		} else {
			startUp = s.killedUnderLoad(kind)
		}
		s.relay.kill()
		s.relay.awaitExit()
		s.relay.reckon(how)
		if s.random.IntN(3) == 0 {
			s.relay.tearLog()
		}
	}
	s.load.refused(t, "no message may be turned away")
	s.runDry()
	t.Logf("%d kills in %v", rounds, time.Since(start).Round(time.Millisecond))
}

const momentStarting moment = "the relay is starting"

// killedUnderLoad starts the relay, loads it and kills it at a moment of that kind.
func (s *crashStory) killedUnderLoad(kind moment) (startUp time.Duration) {
	s.relay.start()
	s.relay.awaitReady()
	startUp = time.Since(s.relay.begun)
	s.relay.audit()
	s.at(kind, 1+s.random.IntN(60), s.relay.kill)
	s.load.send(s.relay.addr, 100+s.random.IntN(100))
	return startUp
}

func crashRounds(t *testing.T, normal int) int {
	if text := os.Getenv("POSTHASTE_CRASH_ROUNDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return normal
}

// runDry starts the relay once more and waits until all has arrived.
func (s *crashStory) runDry() {
	s.Helper()
	s.world.moment.watch.Store(nil)
	s.relay.start()
	s.relay.awaitReady()
	s.relay.audit()
	s.relay.drain()
}
