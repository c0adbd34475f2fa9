package admin

// QueueMetrics is what the queue and its store tell.
type QueueMetrics struct {
	// Recipients by state: ready, waiting, held, delivering. Gauges.
	Recipients map[string]int64
	Messages   int64 // gauge
	Bytes      int64 // gauge: content
	// OldestSeconds is the age of the oldest recipient in a state, where that is known.
	OldestSeconds map[string]float64
	Damaged       int64 // gauge: recipients put aside
	// SyncBounds and SyncCounts are how long commits took (counts one more than bounds).
	SyncBounds []float64
	SyncCounts []uint64
	SyncSum    float64
	// Batches counts commits, BatchRequests what callers put into them.
	Batches, BatchRequests uint64
	DiskBytes, FreeBytes   int64 // gauges
}

func queueFamilies() []family {
	return []family{
		gauge("queue_recipients", "Recipients in the queue, by what they wait for.", []string{"state"},
			func(s *snapshot, out *output) {
				for state, n := range s.queue.Recipients {
					out.value(float64(n), state)
				}
			}),
		gauge("queue_messages", "Messages in the queue.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.queue.Messages)) }),
		gauge("queue_bytes", "Content of the messages in the queue.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.queue.Bytes)) }),
		gauge("queue_oldest_age_seconds", "Age of the oldest recipient.", []string{"state"},
			func(s *snapshot, out *output) {
				for state, age := range s.queue.OldestSeconds {
					out.value(age, state)
				}
			}),
		gauge("queue_damaged_recipients", "Recipients put aside because their record cannot be read.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.queue.Damaged)) }),
		histogram("store_sync_seconds", "Time to make a commit safe.", nil,
			func(s *snapshot, out *output) { out.histogram(s.queue.SyncBounds, s.queue.SyncCounts, s.queue.SyncSum) }),
		counter("store_batches_total", "Commits of the store.", nil,
			func(s *snapshot, out *output) { out.count(s.queue.Batches) }),
		counter("store_batch_messages_total", "Messages and settlements in those commits; by batches it is the group's size.", nil,
			func(s *snapshot, out *output) { out.count(s.queue.BatchRequests) }),
		gauge("store_disk_bytes", "Disk used by the store.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.queue.DiskBytes)) }),
		gauge("store_free_bytes", "Room left on the store's disk.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.queue.FreeBytes)) }),
	}
}
