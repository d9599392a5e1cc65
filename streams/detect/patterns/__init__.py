"""What kinds of several events share: the parts they name, chains of steps in order, groups in any order."""
