"""Parts that several screens share, and the protocol by which screens read."""
