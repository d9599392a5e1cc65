"""What people would have been told under another policy: the recorded input of ALERT, played through it again."""
