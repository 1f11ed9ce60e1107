"""What is told of running VNFs for those who look for what limits them."""
