"""Process reward models: judges of the steps of an answer. Source: arXiv 2211.14275."""
