"""What others do about false negatives and popularity, as parts of the same slots: for an honest comparison."""
