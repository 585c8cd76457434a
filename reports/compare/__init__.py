"""Runs side by side: what differs in what they were made from, what differs in what they did."""
