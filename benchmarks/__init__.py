"""What Rankdeck costs, as ratios against a peer or a floor taken in the same interleaved run."""
