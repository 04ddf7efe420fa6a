"""Training and judging the set-attention network that reads several images of a particle."""
