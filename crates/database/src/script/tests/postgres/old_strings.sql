SET standard_conforming_strings = off;
SET escape_string_warning TO off;
CREATE TABLE o (n int, v text);
INSERT INTO o VALUES (1, 'it\'s; old'), (2, 'back\\slash');
SET SESSION standard_conforming_strings TO 'on';
INSERT INTO o VALUES (3, 'new \'), (4, ';');
