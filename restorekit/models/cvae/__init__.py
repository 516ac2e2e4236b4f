"""The conditional variational autoencoder and its parts."""
