"""HTTP as API Gateway speaks it: requests in, models and views out, every error an answer."""
