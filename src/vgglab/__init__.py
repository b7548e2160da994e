"""vgglab: find out, and prove, what depth does to a convolutional network."""
