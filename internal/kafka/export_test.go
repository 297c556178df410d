package kafka

// SetTogether has the first n records of a call leave in one request.
func (p *Producer) SetTogether(n int) { p.together = n }
