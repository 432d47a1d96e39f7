"""What is served, on the loop's thread: versions, requests, live sequences, the catalog."""
