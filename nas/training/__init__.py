"""Training of supernets and of single networks, and the images that they are trained on."""
