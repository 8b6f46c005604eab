//go:build race

package lockdown

// The race detector reserves more address space than a build child may have.
const underRace = true
