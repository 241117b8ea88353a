"""From two trees to what a comparison finds."""
