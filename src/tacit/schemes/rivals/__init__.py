"""What others do about false negatives and popularity, in the same slots: for an honest comparison."""
