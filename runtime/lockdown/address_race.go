//go:build race

package lockdown

// buildAddress also has to hold the race detector's shadow of all memory.
const buildAddress = 64 << 30
