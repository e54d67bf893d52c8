DROP INDEX visit_page;
