package queue

import (
	"context"
	"errors"

	"github.com/posthaste-mta/posthaste/message"
)

// Ended is what of a new message ends at once, or goes no further for now.
type Ended struct {
	// Results is how many further recipients, which are not put into the queue, end in which way.
	Results [message.NumResults]int64
	// Note is kept in the same batch if it is not empty, as with SettleNoted. The caller must not change it
	// before PutEnded returns.
	Note []byte
	// Held has the recipients that are put into the queue wait there until Resume.
	Held bool
}

// PutEnded is Put for a message that is to be held, or some of whose recipients, or all, end as they are accepted. All count as
// accepted. If rcpts is empty nothing of the message is kept, but that it was accepted and has ended.
func (q *Queue) PutEnded(ctx context.Context, env *message.Envelope, rcpts []message.Recipient, content []byte, ended Ended) (NoteID, error) {
	for result, n := range ended.Results {
		if n < 0 || n > 0 && !message.Result(result).Ended() {
			return 0, errors.New("queue: recipients that end without an end")
		}
	}
	if err := q.Full(); err != nil {
		return 0, err
	}
	p := &incoming{msg: &loaded{envelope: env}}
	if len(rcpts) == 0 {
		q.identify(env, content)
	} else {
		space := byte(spaceSchedule)
		if ended.Held {
			space = spaceHeld
		}
		var err error
		if p, err = q.newIncoming(env, rcpts, content, space); err != nil {
			return 0, err
		}
	}
	p.ended = ended.Results
	r := &request{puts: []*incoming{p}, note: ended.Note, bytes: len(content)}
	if err := q.committer.submit(ctx, r); err != nil {
		return 0, err
	}
	return r.noteID, nil
}
