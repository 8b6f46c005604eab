//go:build !race

package lockdown

// buildAddress is the address space of a build child: far more than goja and
// esbuild use, since Go reserves more than it takes.
const buildAddress = 2 << 30
