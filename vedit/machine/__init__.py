"""What this machine has: memory and disks."""
