"""What many senders and very large pictures need: turns in the queue, and memory given back."""
