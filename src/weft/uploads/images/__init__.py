"""Pictures: resized, compressed and converted by libvips, or by Pillow where that is missing or cannot."""
