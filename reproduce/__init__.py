"""Experiments: one small JSON a finished cell, kept in results/, and the tables made from them."""
