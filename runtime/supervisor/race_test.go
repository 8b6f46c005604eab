//go:build race

package supervisor

// The race detector reserves more address space and time than a worker may have.
const underRace = true
