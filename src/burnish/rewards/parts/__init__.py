"""What several sources of reward share: comparing with references."""
