// Small helps of the service's pages; each page works without.
