// Package powercut is for tests that want to know what a power cut leaves of a
// folder. A kill is kinder: the kernel keeps every page that was written. Here a
// process runs under ptrace, and a second picture of its folder takes only what
// the process has synced: contents with msync, fsync or O_DSYNC, names with an
// fsync of the folder, a new file's name with the file, as ext4, XFS and btrfs do. [Process.Cut] ends the process and lays out that picture,
// with a random half of what had been written and not synced, as a disk may have
// done on its own.
//
// # Limits
//
// Linux on amd64; one folder without folders in it; file contents are held in
// memory. The process is traced, its children are not.
package powercut
