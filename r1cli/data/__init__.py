"""Looking at data, bringing it in and handing it on: `r1 data`."""
