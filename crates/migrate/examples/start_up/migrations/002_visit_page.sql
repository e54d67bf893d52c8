CREATE INDEX visit_page ON visit (page);
