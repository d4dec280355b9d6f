"""Proofs that imported jobs start when the source would."""
