package campaign

import "sync"

// Phones are the numbers that are in a call or about to be, over all campaigns
// and orders of the process: nobody gets two calls at a time, and a number's
// frequency caps are read and its dial is noted by one at a time. The zero
// value is ready. It is bounded by the attempts at once.
type Phones struct {
	mu   sync.Mutex
	held map[string]string
}

// Hold takes a number for an attempt; false when another one has it.
func (p *Phones) Hold(phone, attempt string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, taken := p.held[phone]; taken {
		return false
	}
	if p.held == nil {
		p.held = map[string]string{}
	}
	p.held[phone] = attempt
	return true
}

// Release lets go of a number if the attempt has it.
func (p *Phones) Release(phone, attempt string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[phone] == attempt {
		delete(p.held, phone)
	}
}

// Held is the attempt that has the number, "" when none has.
func (p *Phones) Held(phone string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[phone]
}

// Len is how many numbers are held.
func (p *Phones) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}
