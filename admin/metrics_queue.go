package admin

import "github.com/posthaste-mta/posthaste/queue"

// queueStates are the label values for what recipients wait for. The first two add up, with the
// held ones, to the whole queue.
var queueStates = [queue.NumStates]string{
	queue.Active: "active", queue.Waiting: "deferred", queue.OnHold: "held", queue.InFlight: "in_delivery",
}

func queueFamilies() []family {
	of := func(kind familyKind, name, help string, read func(m *queue.Metrics) int64) family {
		return kind(name, help, nil, func(s *snapshot, out *output) { out.value(float64(read(s.queue))) })
	}
	return []family{
		gauge("queue_recipients", "Recipients in the queue: not tried yet (active), tried before (deferred), held; those in delivery are counted a second time.",
			[]string{"state"}, func(s *snapshot, out *output) {
				for state, n := range s.queue.Recipients {
					out.value(float64(n), queueStates[state])
				}
			}),
		of(gauge, "queue_messages", "Messages in the queue.", func(m *queue.Metrics) int64 { return m.Messages }),
		of(gauge, "queue_bytes", "Content of the messages in the queue.", func(m *queue.Metrics) int64 { return m.Bytes }),
		gauge("queue_oldest_age_seconds", "Age of the oldest message.", []string{"state"},
			func(s *snapshot, out *output) { out.value(s.queue.OldestAge.Seconds(), "all") }),
		of(gauge, "queue_damaged_recipients", "Recipients put aside because their record cannot be read.", func(m *queue.Metrics) int64 { return m.Damaged }),
		of(gauge, "queue_domains", "Domains that have mail.", func(m *queue.Metrics) int64 { return int64(m.Domains) }),
		of(gauge, "queue_content_cache_bytes", "Content kept in memory for its first attempt.", func(m *queue.Metrics) int64 { return m.ContentBytes }),
		counter("queue_content_cache_requests_total", "Contents wanted for delivery, by whether they were in memory.", []string{"result"},
			func(s *snapshot, out *output) {
				out.value(float64(s.queue.ContentHits), "hit")
				out.value(float64(s.queue.ContentMisses), "miss")
			}),
		histogram("store_sync_seconds", "Time to make a commit safe.", nil, readSyncs),
		of(counter, "store_batches_total", "Commits of the store.", func(m *queue.Metrics) int64 { return m.Batches }),
		of(counter, "store_batch_messages_total", "Messages and settlements in those commits.", func(m *queue.Metrics) int64 { return m.BatchRequests }),
		of(counter, "store_batch_bytes_total", "Bytes of those commits.", func(m *queue.Metrics) int64 { return m.BatchBytes }),
		of(counter, "store_wal_bytes_total", "Written to the store's log.", func(m *queue.Metrics) int64 { return m.WALWritten }),
		of(counter, "store_compaction_bytes_total", "Written by flushes and compactions.", func(m *queue.Metrics) int64 { return m.DiskWritten }),
		of(gauge, "store_disk_bytes", "Disk used by the store.", func(m *queue.Metrics) int64 { return m.DiskBytes }),
		of(gauge, "store_free_bytes", "Room left on the store's disk.", func(m *queue.Metrics) int64 { return m.DiskFree }),
	}
}

func readSyncs(s *snapshot, out *output) {
	counts := make([]uint64, len(s.queue.Syncs))
	for i, n := range s.queue.Syncs {
		counts[i] = uint64(n)
	}
	out.histogram(queue.SyncBuckets[:], counts, s.queue.SyncSeconds)
}
