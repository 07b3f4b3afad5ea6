"""What has been computed."""
