//go:build !race

package lockdown

const underRace = false
