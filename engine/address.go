package engine

// publicURL is where signed links lead: the public listener if there is one,
// else the API's own address.
func (e *Engine) publicURL() string {
	h := e.Config().HTTP
	switch {
	case h.Public != nil && h.Public.URL != "":
		return h.Public.URL
	case h.Public != nil:
		return "http://" + h.Public.Listen.String()
	}
	if at := e.httpAddr.Load(); at != nil {
		return "http://" + *at
	}
	return "http://" + h.Listen.String()
}
