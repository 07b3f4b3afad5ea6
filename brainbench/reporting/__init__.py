"""Pages of stored scores: the report and the leaderboard, each one file that needs nothing else."""
