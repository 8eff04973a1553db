"""What calls have cost, in forms fit to show: latency histograms, summaries and waterfalls. Pure: reads no clock."""
